import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { DatasetUses } from '../../api/types';
import { at } from '../../app/paths';
import { Asked, Empty } from '../../parts/Asked';
import { counted } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';

/** The loops and pipelines that use a dataset, whatever its version. */
export function Uses({ name }: { name: string }) {
  const uses = useQuery(ask.datasetUses(name));
  return (
    <Panel title="Who uses it" flush>
      <Asked of={uses} lines={2}>
        {({ loops, pipelines }) =>
          loops.length + pipelines.length === 0 ? (
            <Empty title="Nobody uses it yet" code={`hl.dataset("${name}@main")  # as the input of a pipeline`} />
          ) : (
            <>
              {loops.length > 0 && <Loops of={loops} />}
              {pipelines.length > 0 && <Pipelines of={pipelines} />}
            </>
          )
        }
      </Asked>
    </Panel>
  );
}

function Loops({ of }: { of: DatasetUses['loops'] }) {
  return (
    <Table
      label="Loops that use it"
      rows={of}
      keyOf={(use) => use.loop}
      columns={[
        { name: 'Loop', width: '30%', cell: (use) => <span style={{ fontWeight: 600 }}>{use.loop}</span> },
        {
          name: 'How',
          cell: (use) =>
            [
              use.reads.length > 0 && `reads ${use.reads.join(', ')}`,
              use.turns_on_new_data && 'turns when it has a new version',
              use.sets_contract && 'sets its contract',
            ]
              .filter(Boolean)
              .join('; '),
        },
        {
          name: 'Model',
          num: true,
          cell: (use) => (use.model ? <Go href={at.model(use.model)}>{use.model}</Go> : '–'),
        },
      ]}
    />
  );
}

function Pipelines({ of }: { of: DatasetUses['pipelines'] }) {
  return (
    <Table
      label="Pipelines that took it in"
      rows={of}
      keyOf={(use) => use.pipeline}
      columns={[
        { name: 'Pipeline', width: '30%', cell: (use) => <span style={{ fontWeight: 600 }}>{use.pipeline}</span> },
        {
          name: 'Newest run',
          cell: (use) => (
            <span className="row">
              <Go href={at.pipelineRun(use.newest_run)}>
                <Ago at={use.newest_at} />
              </Go>
              <State state={use.newest_state} plain />
              <span className="faint">{`with ${use.newest_version}`}</span>
            </span>
          ),
        },
        { name: 'Runs', num: true, cell: (use) => counted(use.run_count, 'run') },
      ]}
    />
  );
}
