import '@mantine/core/styles/FloatingIndicator.css';
import '@mantine/core/styles/SegmentedControl.css';
import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import * as ask from '../../api/queries';
import type { Alert } from '../../api/types';
import { at } from '../../app/paths';
import { Asked, Empty } from '../../parts/Asked';
import { Go } from '../../parts/Go';
import { PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago, Took } from '../../parts/Time';

export const alertId = (alert: Alert): string => `${alert.deployment}!${alert.number}`;

export default function AlertsPage() {
  const { state = '' } = useSearch({ from: '/alerts' });
  const navigate = useNavigate({ from: '/alerts' });
  const alerts = useQuery(ask.alerts(state));
  return (
    <>
      <PageHead
        title="Alerts"
        sentence="Opened once, updated while they last, resolved when the windows are quiet again."
        actions={
          <SegmentedControl
            size="xs"
            aria-label="State"
            value={state}
            onChange={(next) => navigate({ search: (now) => ({ ...now, state: next || undefined }), replace: true })}
            data={[
              { value: '', label: 'All' },
              { value: 'firing', label: 'Firing' },
              { value: 'acknowledged', label: 'Acknowledged' },
              { value: 'resolved', label: 'Resolved' },
            ]}
          />
        }
      />
      <Panel label="Alerts" flush>
        <Asked
          of={alerts}
          empty={
            <Empty title={state ? `No alert is ${state}` : 'No alert so far'}>
              Monitors raise them; a trigger can begin a turn on one.
            </Empty>
          }
        >
          {(found) => (
            <Table
              label="Alerts"
              rows={found}
              keyOf={alertId}
              hrefOf={(one) => at.alert(alertId(one))}
              columns={[
                {
                  name: 'Alert',
                  cell: (one) => (
                    <Go href={at.alert(alertId(one))} className="nowrap" style={{ fontWeight: 600 }}>
                      {alertId(one)}
                    </Go>
                  ),
                },
                { name: 'State', cell: (one) => <State state={one.state} /> },
                { name: 'Severity', cell: (one) => <State state={one.severity} plain /> },
                { name: 'What', cell: (one) => one.summary },
                { name: 'Version', num: true, cell: (one) => `v${one.model_version}` },
                { name: 'Lasted', num: true, cell: (one) => <Took from={one.opened_at} to={one.resolved_at} /> },
                { name: 'Opened', num: true, cell: (one) => <Ago at={one.opened_at} /> },
              ]}
            />
          )}
        </Asked>
      </Panel>
    </>
  );
}
