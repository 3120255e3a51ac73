import { useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { get } from '../../api/client';
import type { Page, RunRow } from '../../api/types';
import { Empty } from '../../parts/Asked';
import { PageOf } from '../../parts/PageOf';
import { PageHead } from '../../parts/Panel';
import { RunById } from '../run/RunPage';

const LIVE_MS = 3000;

/** The newest run, whichever that is: a page to leave open beside one's work. */
export default function LatestPage() {
  const { experiment, filter } = useSearch({ from: '/runs/latest' });
  const newest = useQuery({
    queryKey: ['runs', 'latest', experiment, filter],
    queryFn: async ({ signal }) =>
      (await get<Page<RunRow>>('/runs/table', { experiment, filter, limit: 1 }, signal)).items,
    refetchInterval: LIVE_MS,
  });
  return (
    <PageOf query={newest} kind="Runs" name="The latest run">
      {([run]) =>
        run ? (
          <RunById key={run.run_id} id={run.run_id} kicker="The latest run, as it goes" />
        ) : (
          <>
            <PageHead title="The latest run" />
            <Empty title="No run yet">It will show here as soon as one begins.</Empty>
          </>
        )
      }
    </PageOf>
  );
}
