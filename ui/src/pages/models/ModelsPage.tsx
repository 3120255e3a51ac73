import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import { at } from '../../app/paths';
import { Asked, Empty } from '../../parts/Asked';
import { Go } from '../../parts/Go';
import { PageHead, Panel } from '../../parts/Panel';
import { AliasPill } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';

const FIRST = `import mlflow
mlflow.sklearn.log_model(model, name="model", registered_model_name="churn")`;

export default function ModelsPage() {
  const models = useQuery(ask.models());
  return (
    <>
      <PageHead title="Models" sentence="Registered models, their aliases, and the newest version of each." />
      <Panel label="Models" flush>
        <Asked
          of={models}
          empty={
            <Empty title="No model yet" code={FIRST}>
              A turn registers its candidate by itself; any MLflow client can register one by hand.
            </Empty>
          }
        >
          {(found) => (
            <Table
              label="Models"
              rows={found}
              keyOf={(one) => one.model.name}
              hrefOf={(one) => at.model(one.model.name)}
              columns={[
                {
                  name: 'Model',
                  cell: ({ model }) => (
                    <Go href={at.model(model.name)} style={{ fontWeight: 600 }}>
                      {model.name}
                    </Go>
                  ),
                },
                {
                  name: 'Aliases',
                  cell: ({ model, aliases }) => (
                    <span className="row">
                      {aliases.map((alias) => (
                        <Go
                          key={alias.alias}
                          href={at.version(model.name, alias.number)}
                          className="row"
                          style={{ gap: 4 }}
                        >
                          <AliasPill alias={alias.alias} /> v{alias.number}
                        </Go>
                      ))}
                      {aliases.length === 0 && <span className="faint">none</span>}
                    </span>
                  ),
                },
                {
                  name: 'Newest version',
                  num: true,
                  cell: ({ model, latest }) =>
                    latest ? <Go href={at.version(model.name, latest.number)}>v{latest.number}</Go> : '–',
                },
                {
                  name: 'Changed',
                  num: true,
                  cell: ({ model, latest }) => <Ago at={latest?.created_at ?? model.updated_at} />,
                },
              ]}
            />
          )}
        </Asked>
      </Panel>
    </>
  );
}
