import type { PromotionRequest } from '../../api/types';
import { State } from '../../parts/State';
import { Ago } from '../../parts/Time';
import { Decide } from './Decide';
import css from './models.module.css';

/** Who was asked, who answered, and the buttons while the answer is open. */
export function Approvals({ request }: { request: PromotionRequest }) {
  const left = request.people - request.approvals.filter((one) => one.decision === 'approve').length;
  return (
    <div className="stack" style={{ gap: 12 }}>
      <p className="row">
        <State state={request.state} word={request.state === 'REJECTED' ? 'Rejected' : undefined} />
        <span className="soft">
          asked of {request.people} of role {request.role} <Ago at={request.created_at} /> by{' '}
          {[request.requested_by, ...(request.also_asked ?? [])].join(', ')}
          {request.reason && `: “${request.reason}”`}
          {request.state === 'OPEN' && `, ${left} still to answer`}
        </span>
      </p>
      {request.approvals.length > 0 && (
        <ul className={css.people}>
          {request.approvals.map((one) => (
            <li key={one.person + one.at}>
              <State state={one.decision} plain />
              <span>
                <strong>{one.person}</strong> <span className="soft">({one.role})</span> <Ago at={one.at} />
                {one.reason && <span className="soft">: “{one.reason}”</span>}
              </span>
            </li>
          ))}
        </ul>
      )}
      {request.state === 'OPEN' && <Decide request={request.id} />}
    </div>
  );
}
