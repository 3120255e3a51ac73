import { useQueryClient } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';
import { useAnswering } from '../api/answering';
import { listen } from '../api/live';
import { useSession } from '../api/session';
import { loadSession } from '../api/signIn';
import { loadWhenReachable } from './lazyPage';
import { router } from './router';

const SignInPage = lazy(() => loadWhenReachable(() => import('../pages/SignInPage')));

/** The pages for those whom the server knows, and the sign-in at the same address for everybody else. */
export function App() {
  const session = useSession();
  const client = useQueryClient();
  const { answers } = useAnswering();
  const caller = session.state === 'in' ? (session.who?.csrf ?? '') : undefined;
  useEffect(() => {
    if (caller === undefined) return;
    const stop = listen(client);
    return () => {
      stop();
      client.clear(); // what one person may read is not shown to the next
    };
  }, [caller, client]);
  const isUnknown = session.state === 'in' && !session.who;
  useEffect(() => {
    if (answers && isUnknown) void loadSession();
  }, [answers, isUnknown]);
  if (session.state === 'loading') return null;
  if (session.state === 'in') return <RouterProvider router={router} />;
  return (
    <Suspense>
      <SignInPage why={session.why} />
    </Suspense>
  );
}
