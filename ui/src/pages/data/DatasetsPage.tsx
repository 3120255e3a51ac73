import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import { at } from '../../app/paths';
import { Asked, Empty } from '../../parts/Asked';
import { bytes, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageHead, Panel } from '../../parts/Panel';
import { AliasPill, State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import { Upload } from './Upload';

export default function DatasetsPage() {
  const datasets = useQuery(ask.datasets());
  return (
    <>
      <PageHead
        title="Data"
        sentence="Datasets and their versions; every version is immutable and known by its content."
        actions={<Upload />}
      />
      <Panel label="Datasets" flush>
        <Asked
          of={datasets}
          empty={<Empty title="No dataset yet" code="hl data commit customers ./folder --message 'first export'" />}
        >
          {(found) => (
            <Table
              label="Datasets"
              rows={found}
              keyOf={(one) => one.dataset.name}
              hrefOf={(one) => at.dataset(one.dataset.name)}
              columns={[
                {
                  name: 'Dataset',
                  cell: ({ dataset }) => (
                    <Go href={at.dataset(dataset.name)} style={{ fontWeight: 600 }}>
                      {dataset.name}
                    </Go>
                  ),
                },
                {
                  name: 'Refs',
                  cell: ({ dataset, refs }) => (
                    <span className="row">
                      {refs.map((ref) => (
                        <Go
                          key={ref.name}
                          href={at.dataset(dataset.name, ref.target)}
                          className="row"
                          style={{ gap: 5 }}
                        >
                          <AliasPill alias={ref.name} />
                          <span className="mono">{ref.target}</span>
                        </Go>
                      ))}
                    </span>
                  ),
                },
                {
                  name: 'Newest',
                  cell: ({ latest }) =>
                    latest && latest.state !== 'published' ? <State state={latest.state ?? 'draft'} plain /> : '',
                },
                { name: 'Versions', num: true, cell: ({ dataset }) => num(dataset.last_sequence) },
                { name: 'Rows', num: true, cell: ({ latest }) => num(latest?.row_count) },
                { name: 'Size', num: true, cell: ({ latest }) => (latest ? bytes(latest.byte_count) : '–') },
                {
                  name: 'Changed',
                  num: true,
                  cell: ({ dataset, latest }) => <Ago at={latest?.created_at ?? dataset.created_at} />,
                },
              ]}
            />
          )}
        </Asked>
      </Panel>
    </>
  );
}
