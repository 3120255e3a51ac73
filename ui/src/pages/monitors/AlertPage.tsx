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
import { turnId } from '../turns/TurnTable';
import { alertId } from './AlertsPage';
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
  const { data: turns = [] } = useQuery(ask.turns());
  const began = turns.filter((turn) => turn.cause.kind === 'alert' && turn.cause.subject === id);
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
        actions={<Actions alert={alert} />}
      />
      <div className="two">
        <Panel
          title="Evidence"
          aside={<span className="faint">{alert.findings.length} in the last window that saw it</span>}
          flush
        >
          <Evidence findings={alert.findings} />
        </Panel>
        <div className="stack">
          <Panel title="What it began">
            {began.length === 0 && (
              <p className="soft">No turn; the trigger may be muted, cooling down, or another alert began it.</p>
            )}
            <div className="stack">
              {began.map((turn) => (
                <div key={turnId(turn)} className="row apart">
                  <Go href={at.turn(turnId(turn))} style={{ fontWeight: 600 }}>
                    {turnId(turn)}
                  </Go>
                  <State state={turn.state} />
                </div>
              ))}
            </div>
          </Panel>
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
                alert.window_start &&
                  alert.window_end && ['Window', `${clock(alert.window_start)} to ${clock(alert.window_end)}`],
                alert.resolved_at && ['Resolved', moment(alert.resolved_at)],
                alert.acknowledged_by && ['Acknowledged by', alert.acknowledged_by],
              ]}
            />
          </Panel>
        </div>
      </div>
    </>
  );
}

function Actions({ alert }: { alert: Alert }) {
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

function Evidence({ findings }: { findings: Finding[] }) {
  const [all, setAll] = useState(false);
  const rows = findings.toSorted((a, b) => b.value - a.value);
  const most = Math.max(...rows.map((one) => Math.abs(one.value)), 1e-9);
  if (!rows.length)
    return (
      <p className="soft" style={{ padding: 14 }}>
        The newest windows hold no finding.
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
          {
            name: rows[0]?.statistic ?? 'Value',
            num: true,
            width: '34%',
            cell: (one) => (
              <span className={css.size} title={one.detail}>
                <span className={css.sizeTrack}>
                  <span
                    style={{
                      width: `${(Math.abs(one.value) / most) * 100}%`,
                      background: one.severity === 'critical' ? 'var(--bad)' : 'var(--warn)',
                    }}
                  />
                </span>
                {num(one.value, 3)}
              </span>
            ),
          },
          { name: 'Threshold', num: true, cell: (one) => num(one.gate) },
          { name: 'p', num: true, cell: (one) => num(one.p_value, 2) },
          { name: 'Rows', num: true, cell: (one) => num(one.window_count) },
          { name: 'Reference', num: true, cell: (one) => (one.reference_count ? num(one.reference_count) : '–') },
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
