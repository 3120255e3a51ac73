import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { Alert, Finding } from '../../api/types';
import { at } from '../../app/paths';
import { useAct } from '../../parts/act';
import { begun, clock, moment, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageOf } from '../../parts/PageOf';
import { Facts, PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago, Took } from '../../parts/Time';
import { stateOf } from '../../words';
import { Accept } from './Accept';
import { alertId } from './AlertsPage';
import { AlertTurns } from './AlertTurns';
import { Histograms } from './Histograms';
import { isTested } from './heat';
import css from './monitors.module.css';

export default function AlertPage() {
  const { id } = useParams({ from: '/alerts/$id' });
  const alert = useQuery(ask.alert(id));
  return (
    <PageOf query={alert} kind="Alert" name={id}>
      {(found) => <Whole alert={found} />}
    </PageOf>
  );
}

function Whole({ alert }: { alert: Alert }) {
  const id = alertId(alert);
  const [accepting, setAccepting] = useState(false);
  const opened = alert.opened_with;
  return (
    <>
      <PageHead
        kicker={`Alert of the monitor ${alert.monitor}`}
        title={id}
        marks={
          <>
            <State state={alert.state} />
            <State state={alert.severity} plain />
          </>
        }
        sentence={
          <>
            {begun(alert.summary)}. Opened <Ago at={alert.opened_at} />,{' '}
            {alert.resolved_at ? 'lasted ' : 'lasting for '}
            <Took from={alert.opened_at} to={alert.resolved_at} />.
          </>
        }
        actions={<Actions alert={alert} onAccept={() => setAccepting(true)} />}
      />
      <div className="stack">
        {accepting && alert.state !== 'resolved' && (
          <Panel title="Accept as normal">
            <Accept id={id} onClose={() => setAccepting(false)} />
          </Panel>
        )}
        <div className="two">
          <div className="stack">
            <Panel
              title="Evidence"
              aside={<span className="faint">the worst of each column since it opened</span>}
              flush
            >
              <Evidence findings={alert.findings} />
            </Panel>
            <Histograms alert={alert} />
          </div>
          <div className="stack">
            <AlertTurns alert={alert} />
            {alert.state !== 'resolved' && <LeaveOut alert={alert} />}
            <Panel title="About">
              <Facts
                of={[
                  [
                    'Deployment',
                    <Go key="d" href={at.deployment(alert.deployment)}>
                      {alert.deployment}
                    </Go>,
                  ],
                  [
                    'Monitor',
                    <Go key="m" href="/monitors">
                      {alert.monitor}
                    </Go>,
                  ],
                  ['Model version', alert.model_version],
                  ['Opened', moment(alert.opened_at)],
                  ['Last seen', moment(alert.last_seen_at)],
                  opened && [
                    'Opened with',
                    `${stateOf(opened.severity).word}, ${num(opened.row_count)} rows, ${clock(opened.window_start)} to ${clock(opened.window_end)}`,
                  ],
                  alert.window_start &&
                    alert.window_end && ['Newest window', `${clock(alert.window_start)} to ${clock(alert.window_end)}`],
                  alert.resolved_at && ['Resolved', moment(alert.resolved_at)],
                  alert.acknowledged_by && ['Acknowledged by', alert.acknowledged_by],
                ]}
              />
            </Panel>
          </div>
        </div>
      </div>
    </>
  );
}

/** How to leave columns out of the monitor that never look like the past, though nothing is wrong with them. */
function LeaveOut({ alert }: { alert: Alert }) {
  if (alert.kind !== 'drift' && alert.kind !== 'quality') return null;
  const columns = [...new Set(alert.findings.filter(isTested).map((one) => one.column))];
  if (!columns.length) return null;
  return (
    <Panel title="A column that is not to be watched">
      <p className="soft">
        An identifier, or what else never looks like the past, is left out in the loop file, and with{' '}
        <span className="mono">hl apply</span>:
      </p>
      <code className="mono">{`hl.${alert.kind}(exclude=[${columns.map((name) => JSON.stringify(name)).join(', ')}])`}</code>
    </Panel>
  );
}

function Actions({ alert, onAccept }: { alert: Alert; onAccept: () => void }) {
  const act = useAct();
  const id = alertId(alert);
  if (alert.state === 'resolved') return null;
  return (
    <>
      {alert.state === 'firing' && (
        <Button
          size="compact-sm"
          loading={act.isPending}
          onClick={() => act.mutate({ path: `/alerts/${seg(id)}/acknowledge`, done: `${id} acknowledged` })}
        >
          Acknowledge
        </Button>
      )}
      {(alert.kind === 'drift' || alert.kind === 'quality') && (
        <Button size="compact-sm" variant="default" onClick={onAccept}>
          Accept as normal
        </Button>
      )}
      <Button
        size="compact-sm"
        variant="default"
        disabled={act.isPending}
        onClick={() => act.mutate({ path: `/alerts/${seg(id)}/resolve`, body: { reason: '' }, done: `${id} resolved` })}
      >
        Resolve
      </Button>
    </>
  );
}

const FIRST = 16;
const bySeverity = (a: Finding, b: Finding) =>
  Number(b.severity === 'critical') - Number(a.severity === 'critical') || b.value - a.value;

function Evidence({ findings }: { findings: Finding[] }) {
  const [all, setAll] = useState(false);
  const rows = findings.toSorted(bySeverity);
  const most = (statistic: string) =>
    Math.max(...rows.filter((one) => one.statistic === statistic).map((one) => Math.abs(one.value)), 1e-9);
  if (!rows.length)
    return (
      <p className="soft" style={{ padding: 14 }}>
        No finding is recorded with it.
      </p>
    );
  return (
    <>
      <Table
        label="Evidence"
        rows={all ? rows : rows.slice(0, FIRST)}
        keyOf={(one) => one.column + one.statistic}
        columns={[
          { name: 'Column', cell: (one) => <span className="mono">{one.column}</span> },
          { name: 'Severity', cell: (one) => <State state={one.severity} plain /> },
          { name: 'Test', cell: (one) => one.statistic.replaceAll('_', ' ') },
          {
            name: 'Value',
            num: true,
            width: '28%',
            cell: (one) => (
              <span className={css.size} title={one.detail}>
                <span className={css.sizeTrack}>
                  <span
                    style={{
                      width: `${(Math.abs(one.value) / most(one.statistic)) * 100}%`,
                      background: one.severity === 'critical' ? 'var(--bad)' : 'var(--warn)',
                    }}
                  />
                </span>
                {num(one.value, 3)}
              </span>
            ),
          },
          { name: 'Threshold', num: true, wide: true, cell: (one) => num(one.gate) },
          { name: 'p', num: true, wide: true, cell: (one) => num(one.p_value, 2) },
          { name: 'Rows', num: true, wide: true, cell: (one) => num(one.window_count) },
          {
            name: 'Reference',
            num: true,
            wide: true,
            cell: (one) => (one.reference_count ? num(one.reference_count) : '–'),
          },
        ]}
      />
      {rows.length > FIRST && !all && (
        <div style={{ padding: 10 }}>
          <Button size="compact-sm" variant="default" onClick={() => setAll(true)}>
            Show all {rows.length}
          </Button>
        </div>
      )}
    </>
  );
}
