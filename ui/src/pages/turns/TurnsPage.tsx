import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import { Asked, Empty } from '../../parts/Asked';
import { counted } from '../../parts/format';
import { Figures, PageHead, Panel } from '../../parts/Panel';
import { Loops } from './Loops';
import { TurnTable } from './TurnTable';

const FIRST = `hl apply loop.py
hl run NAME         # one turn by hand; triggers begin the others`;

export default function TurnsPage() {
  const turns = useQuery(ask.turns());
  const ended = turns.data?.filter((turn) => turn.finished_at) ?? [];
  const tally = (state: string) => ended.filter((turn) => turn.state === state).length;
  return (
    <>
      <PageHead
        title="Turns"
        sentence="A turn is one passage round the circle: what began it, what each leg did, how it came out."
      />
      <div className="stack">
        {ended.length > 0 && (
          <Figures
            of={[
              ['Turns', counted(turns.data?.length ?? 0, 'turn')],
              ['Promoted', tally('PROMOTED')],
              ['Stopped at the gate', (turns.data ?? []).filter((turn) => turn.state === 'REJECTED').length || '0'],
              ['Rolled back', tally('ROLLED_BACK') || '0'],
              ['Failed', tally('FAILED') || '0'],
            ]}
          />
        )}
        <Loops />
        <Panel title="All turns" flush>
          <Asked of={turns} lines={8} empty={<Empty title="No turn yet" code={FIRST} />}>
            {(found) => <TurnTable turns={found} />}
          </Asked>
        </Panel>
      </div>
    </>
  );
}
