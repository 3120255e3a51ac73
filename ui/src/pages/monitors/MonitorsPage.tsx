import { NativeSelect } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useMemo } from 'react';
import type { MonitorDetail, Window } from '../../api/types';
import { at } from '../../app/paths';
import { Asked, Empty, Waiting } from '../../parts/Asked';
import { num, percent, seconds } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { stateOf } from '../../words';
import { HeatMap } from './HeatMap';
import { isTested } from './heat';
import css from './monitors.module.css';
import { useMonitors } from './useMonitors';

const LineChart = lazy(() => import('../../parts/LineChart'));
const SPANS = ['60', '120', '240'];
const FIRST = `loop = hl.Loop("churn", ...,
    monitors=[hl.drift(), hl.performance("auc", at_least=0.75), hl.quality()])`;

export default function MonitorsPage() {
  const { view = '120' } = useSearch({ from: '/monitors' });
  const navigate = useNavigate({ from: '/monitors' });
  const monitors = useMonitors(Number(view) || 120);
  return (
    <>
      <PageHead
        title="Monitors"
        sentence="What production looks like, window by window, against what the serving model was made for."
        actions={
          <NativeSelect
            size="xs"
            aria-label="How many windows"
            value={view}
            onChange={(event) =>
              navigate({ search: (now) => ({ ...now, view: event.currentTarget.value }), replace: true })
            }
            data={SPANS.map((span) => ({ value: span, label: `Last ${span} windows` }))}
          />
        }
      />
      <Asked of={monitors} lines={12} empty={<Empty title="Nothing is watched" code={FIRST} />}>
        {(found) => (
          <div className="stack">
            {found.map((one) => (
              <MonitorPanel key={`${one.monitor.deployment}:${one.monitor.name}`} detail={one} />
            ))}
          </div>
        )}
      </Asked>
    </>
  );
}

function MonitorPanel({ detail }: { detail: MonitorDetail }) {
  const { monitor, windows, alert } = detail;
  const last = windows.at(-1);
  const columns = useMemo(
    () => new Set(windows.flatMap((one) => one.findings.filter(isTested).map((found) => found.column))).size,
    [windows],
  );
  return (
    <Panel
      title={
        <>
          {monitor.name}{' '}
          <span className="soft" style={{ fontWeight: 400 }}>
            of
          </span>{' '}
          <Go href={at.deployment(monitor.deployment)}>{monitor.deployment}</Go>
        </>
      }
      label={`Monitor ${monitor.name}`}
      aside={
        <>
          {last && <State state={last.severity} />}
          {alert && (
            <Go href={at.alert(`${alert.deployment}!${alert.number}`)}>{`${alert.deployment}!${alert.number}`}</Go>
          )}
        </>
      }
    >
      <div className="stack">
        <p className="soft">{about(detail)}</p>
        {windows.length === 0 && (
          <p className="soft">
            No window was judged yet; the first comes {seconds(monitor.spec.window_s)} after traffic begins.
          </p>
        )}
        {columns > 0 &&
          (monitor.spec.kind === 'performance' ? <Performance detail={detail} /> : <HeatMap detail={detail} />)}
        {last?.label_delay && <p className="soft">Labels are awaited until {last.label_delay.detail}.</p>}
        {last && <NotTested window={last} />}
        {windows.length > 0 && <RowCounts windows={windows} />}
      </div>
    </Panel>
  );
}

/** The columns that the newest window says it did not test, with the reasons. */
function NotTested({ window }: { window: Window }) {
  const left = window.findings.filter((one) => !isTested(one));
  if (!left.length) return null;
  return (
    <details>
      <summary>
        {left.length === 1 ? 'One column is' : `${left.length} columns are`} not tested:{' '}
        {left.map((one) => one.column).join(', ')}
      </summary>
      <ul>
        {left.map((one) => (
          <li key={one.column}>
            <span className="mono">{one.column}</span>: {one.detail.replace('not tested: ', '')}
          </li>
        ))}
      </ul>
    </details>
  );
}

function about({ monitor: { spec } }: MonitorDetail): string {
  const window = `windows of at least ${seconds(spec.window_s)} and ${num(spec.min_rows)} rows; an alert needs ${spec.persist} of ${spec.of}`;
  if (spec.kind === 'drift')
    return `PSI of each feature against the training reference, and of the answers against those to the hold-out, threshold ${spec.gate}, critical ${spec.critical}; ${window}.`;
  if (spec.kind === 'performance') {
    const limit =
      typeof spec.drop === 'number'
        ? `at most ${percent(spec.drop)} worse than in the version before`
        : typeof spec.at_least === 'number'
          ? `at least ${spec.at_least}`
          : `at most ${spec.at_most}`;
    const due = spec.label_delay_s ? `, ${seconds(spec.label_delay_s)} after the prediction` : '';
    return `${spec.metric} on labelled rows ${limit}${due}; ${window}.`;
  }
  return `Missing, out of range and unseen values; ${window}.`;
}

function Performance({ detail }: { detail: MonitorDetail }) {
  const withResult = detail.windows.filter((one) => one.findings.length > 0);
  const last = withResult.at(-1)?.findings[0];
  // the newest may be about earlier rows: their labels came late
  const judged = withResult.toSorted((a, b) => Date.parse(a.end) - Date.parse(b.end));
  return (
    <div className={css.perf}>
      <Suspense fallback={<Waiting lines={5} />}>
        <LineChart
          label={detail.monitor.spec.metric || detail.monitor.name}
          xs={judged.map((one) => Date.parse(one.end) / 1000)}
          ys={judged.map((one) => one.findings[0]?.value ?? null)}
          time
          log={false}
          smoothing={0}
          threshold={last && last.severity !== 'insufficient_data' ? last.gate : undefined}
          height={190}
        />
      </Suspense>
      {last && (
        <p className="soft">
          Newest window: {last.detail || num(last.value)} on {num(last.window_count)} rows. The dashed line is what was
          asked for.
        </p>
      )}
    </div>
  );
}

/** How many rows each window had, its bar coloured and named by how it was judged. */
function RowCounts({ windows }: { windows: Window[] }) {
  const most = Math.max(...windows.map((one) => one.row_count), 1);
  const last = windows.at(-1);
  return (
    <div className="tight">
      <h3>Rows by window</h3>
      <div
        className={css.strip}
        role="img"
        aria-label={`Rows by window, at most ${most}, last ${last?.row_count ?? 0}`}
      >
        {windows.map((one) => (
          <span
            key={one.end}
            data-tone={stateOf(one.severity).tone}
            style={{ height: `${Math.max(4, (one.row_count / most) * 100)}%` }}
            title={`${num(one.row_count)} rows, version ${one.model_version}, ${stateOf(one.severity).word}${one.reason ? `: ${one.reason}` : ''}`}
          />
        ))}
      </div>
      <span className="faint">
        at most {num(most)} rows in a window; the newest had {num(last?.row_count)}
      </span>
    </div>
  );
}
