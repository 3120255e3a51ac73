import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { LineageNode } from '../../api/types';
import { at } from '../../app/paths';
import { Asked } from '../../parts/Asked';
import { Go } from '../../parts/Go';
import { Icon, type IconName } from '../../parts/Icon';
import { Panel } from '../../parts/Panel';
import css from './models.module.css';

const COLUMNS: { noun: string; title: string; none: string; icon: IconName }[] = [
  { noun: 'dataset_version', title: 'Data', none: 'not recorded', icon: 'data' },
  { noun: 'run', title: 'Runs', none: 'none', icon: 'runs' },
  { noun: 'model_version', title: 'Versions', none: 'none yet', icon: 'model' },
  { noun: 'deployment', title: 'Deployments', none: 'served nowhere', icon: 'serve' },
];

/** What something comes from and what came of it, in the order of the loop; every noun leads on. */
export function LineageMap({ noun, id, title = 'Lineage' }: { noun: string; id: string; title?: string }) {
  const found = useQuery({ ...ask.lineage(noun, id), refetchInterval: false });
  return (
    <Panel title={title}>
      <Asked of={found} lines={3}>
        {(lineage) => (
          <>
            <ol className={css.map}>
              {COLUMNS.map((column) => {
                const nodes = lineage.nodes.filter((node) => node.noun === column.noun);
                return (
                  <li key={column.noun}>
                    <h3 className="row">
                      <Icon name={column.icon} size={13} /> {column.title}
                    </h3>
                    {nodes.length === 0 && <p className="faint">{column.none}</p>}
                    <ul>
                      {nodes.map((node) => (
                        <li key={node.id} data-focus={node.side === 'focus'}>
                          <Named node={node} />
                          {node.detail && <span className="faint">{node.detail}</span>}
                        </li>
                      ))}
                    </ul>
                  </li>
                );
              })}
            </ol>
            {lineage.cut && <p className="faint">There is more than is shown here.</p>}
          </>
        )}
      </Asked>
    </Panel>
  );
}

function Named({ node }: { node: LineageNode }) {
  const address = addressOf(node);
  return address ? <Go href={address}>{node.title}</Go> : <span>{node.title}</span>;
}

function addressOf(node: LineageNode): string | undefined {
  if (node.noun === 'run') return at.run(node.id);
  if (node.noun === 'deployment') return at.deployment(node.id);
  const [name = '', rest = ''] = node.id.split(/[@/](.*)/s);
  if (node.noun === 'model_version') return at.version(name, rest);
  // a client may name data that is no dataset of ours
  return node.detail === 'as a client named it' ? undefined : at.dataset(name, rest);
}
