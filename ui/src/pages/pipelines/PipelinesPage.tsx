import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { PipelineRun } from '../../api/types';
import { at } from '../../app/paths';
import { Asked, Empty } from '../../parts/Asked';
import { Id } from '../../parts/Code';
import { Go } from '../../parts/Go';
import { PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago, Took } from '../../parts/Time';

const FIRST = `@hl.pipeline
def churn(customers: hl.Table = hl.dataset("customers@main")):
    return hl.candidate(train(customers))`;

export default function PipelinesPage() {
  const runs = useQuery(ask.pipelineRuns());
  return (
    <>
      <PageHead
        title="Pipelines"
        sentence="Every run of every pipeline: what it read, how its steps came out, and what it kept from earlier runs."
      />
      <Panel label="Pipeline runs" flush>
        <Asked of={runs} empty={<Empty title="No pipeline has run" code={FIRST} />}>
          {(found) => (
            <Table
              label="Pipeline runs"
              rows={found}
              keyOf={(one) => one.id}
              hrefOf={(one) => at.pipelineRun(one.id)}
              columns={[
                {
                  name: 'Run',
                  cell: (one) => (
                    <Go href={at.pipelineRun(one.id)} style={{ fontWeight: 600 }}>
                      {one.pipeline} <Id of={one.id} />
                    </Go>
                  ),
                },
                { name: 'State', cell: (one) => <State state={one.state} /> },
                {
                  name: 'Turn',
                  cell: (one) =>
                    one.turn ? (
                      <Go href={at.turn(`${one.loop}~${one.turn}`)}>{`${one.loop}~${one.turn}`}</Go>
                    ) : (
                      <span className="faint">by hand</span>
                    ),
                },
                { name: 'Read', cell: (one) => <Inputs run={one} /> },
                { name: 'Steps', num: true, cell: (one) => one.spec.steps.length },
                { name: 'Took', num: true, cell: (one) => <Took from={one.created_at} to={one.finished_at} /> },
                { name: 'Began', num: true, cell: (one) => <Ago at={one.created_at} /> },
              ]}
            />
          )}
        </Asked>
      </Panel>
    </>
  );
}

export function Inputs({ run }: { run: PipelineRun }) {
  return (
    <span className="row" style={{ gap: '2px 12px' }}>
      {Object.values(run.inputs ?? {}).map((ref) => {
        const [name = '', version = ''] = ref.split('@');
        return (
          <Go key={ref} href={at.dataset(name, version)} className="mono">
            {ref}
          </Go>
        );
      })}
    </span>
  );
}
