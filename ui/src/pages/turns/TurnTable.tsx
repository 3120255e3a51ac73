import type { Turn } from '../../api/types';
import { at } from '../../app/paths';
import { begun } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Long } from '../../parts/Long';
import { State } from '../../parts/State';
import { type Column, Table } from '../../parts/Table';
import { Ago, Took } from '../../parts/Time';
import { LegStrip } from './LegStrip';

export const turnId = (turn: { loop: string; number: number }): string => `${turn.loop}~${turn.number}`;

const took: Column<Turn> = {
  name: 'Took',
  num: true,
  width: '1%',
  cell: (turn) => <Took from={turn.created_at} to={turn.finished_at} />,
};

/** Turns as a table; a brief one stands beside other panels. */
export function TurnTable({ turns, brief = false }: { turns: Turn[]; brief?: boolean }) {
  return (
    <Table
      label="Turns"
      rows={turns}
      keyOf={turnId}
      hrefOf={(turn) => at.turn(turnId(turn))}
      columns={[
        {
          name: 'Turn',
          width: '1%',
          cell: (turn) => (
            <Go href={at.turn(turnId(turn))} className="nowrap" style={{ fontWeight: 600 }}>
              {turnId(turn)}
            </Go>
          ),
        },
        {
          name: 'Cause and result',
          cell: (turn) => (
            <>
              {begun(turn.cause.sentence)}
              {turn.result && (
                <div className="soft" style={{ lineHeight: 1.3 }}>
                  <Long text={turn.result} most={48} />
                </div>
              )}
            </>
          ),
        },
        { name: 'Legs', width: '14%', cell: (turn) => <LegStrip turn={turn} /> },
        { name: 'State', width: '1%', cell: (turn) => <State state={turn.state} /> },
        ...(brief ? [] : [took]),
        { name: 'Began', num: true, width: '1%', cell: (turn) => <Ago at={turn.created_at} /> },
      ]}
    />
  );
}
