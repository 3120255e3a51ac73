import { Button, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { seg } from '../../api/client';
import type { GateReport, Verdict } from '../../api/types';
import { useAct } from '../../parts/act';
import { begun } from '../../parts/format';
import { usePerson } from '../../parts/PersonField';
import { State } from '../../parts/State';
import { Ago } from '../../parts/Time';
import { checkName, checkSentence } from '../../words';
import { Interval } from './Interval';
import css from './models.module.css';

/** Each check as a sentence, its verdict, and the numbers it rests on. */
export function Verdicts({ report, canWaive = false }: { report: GateReport; canWaive?: boolean }) {
  return (
    <ul className={css.verdicts}>
      {report.verdicts.map((verdict) => (
        <li key={checkName(verdict.check)}>
          <span>
            <State state={verdict.outcome} />
          </span>
          <div className={css.verdict}>
            <strong>{checkSentence(verdict.check)}</strong>
            <span className="soft">{begun(verdict.reason)}</span>
            <Numbers report={report} verdict={verdict} />
            {verdict.outcome === 'waived' && verdict.waived_at && (
              <span>
                Waived by <strong>{verdict.waived_by}</strong> <Ago at={verdict.waived_at} />: “{verdict.waiver_reason}”
              </span>
            )}
            {canWaive && !['pass', 'waived'].includes(verdict.outcome) && <Waive report={report} verdict={verdict} />}
          </div>
        </li>
      ))}
      {report.evidence.untested?.map((why) => (
        <li key={why}>
          <span>
            <State state="no_data" />
          </span>
          <div className={css.verdict}>
            <strong>Not tested</strong>
            <span className="soft">{begun(why)}</span>
          </div>
        </li>
      ))}
    </ul>
  );
}

function Numbers({ report, verdict }: { report: GateReport; verdict: Verdict }) {
  const { check } = verdict;
  if (check.kind === 'not_worse') {
    const found = report.evidence.comparisons.find((one) => one.metric === check.metric);
    if (!found || found.untested) return null; // the reason says why there is no interval
    return <Interval low={found.low} high={found.high} value={found.difference} margin={check.margin} />;
  }
  if (check.kind === 'latency') {
    const { latency_ms = {}, champion_latency_ms = {} } = report.evidence;
    const shown = Object.entries(latency_ms).map(([key, value]) => `${key} ${value.toFixed(2)} ms`);
    const before =
      champion_latency_ms.p99 === undefined ? '' : `; champion p99 ${champion_latency_ms.p99.toFixed(2)} ms`;
    return shown.length ? <span className="faint">{shown.join(', ') + before}</span> : null;
  }
  const changes = check.kind === 'signature' ? report.evidence.signature_changes : null;
  return changes?.length ? <span className="faint">{changes.join('; ')}</span> : null;
}

const LEAST = 10;

function Waive({ report, verdict }: { report: GateReport; verdict: Verdict }) {
  const [open, setOpen] = useState(false);
  const person = usePerson();
  const [reason, setReason] = useState('');
  const act = useAct();
  const check = checkName(verdict.check);
  if (!open)
    return (
      <div>
        <Button size="compact-sm" variant="default" onClick={() => setOpen(true)}>
          Waive this check
        </Button>
      </div>
    );
  return (
    <form
      className="tight"
      aria-label={`Waive ${check}`}
      onSubmit={(event) => {
        event.preventDefault();
        act.mutate({
          path: `/gates/${seg(report.model)}/${report.number}/waive`,
          body: { check, person: person.name, reason },
          done: `${check} waived by ${person.name}`,
        });
      }}
    >
      <TextInput
        size="xs"
        label="Who answers for it"
        value={person.name}
        readOnly={person.isKnown}
        onChange={(event) => person.setName(event.currentTarget.value)}
        required
      />
      <Textarea
        size="xs"
        label="Why it may pass"
        description={`At least ${LEAST} characters; it stays in the audit trail`}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        required
        rows={2}
      />
      <div className="row">
        <Button
          type="submit"
          size="compact-sm"
          color="red"
          disabled={!person.name.trim() || reason.trim().length < LEAST}
          loading={act.isPending}
        >
          Waive
        </Button>
        <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setOpen(false)}>
          Leave it
        </Button>
      </div>
    </form>
  );
}
