import '@mantine/core/styles/baseline.css';
import '@mantine/core/styles/default-css-variables.css';
import '@mantine/core/styles/global.css';
import '@mantine/core/styles/UnstyledButton.css';
import '@mantine/core/styles/Button.css';
import '@mantine/core/styles/ActionIcon.css';
import '@mantine/core/styles/CloseButton.css';
import '@mantine/core/styles/Input.css';
import '@mantine/core/styles/Skeleton.css';
import '@mantine/core/styles/Loader.css';
import '@mantine/core/styles/Paper.css';
import './tokens.css';
import './base.css';
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { Problem } from '../api/client';
import { pollInterval } from '../api/live';
import { loadSession } from '../api/signIn';
import { App } from './App';
import { fromHash } from './paths';
import { router } from './router';
import { theme } from './theme';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: 'always', // the server may run on this machine
      staleTime: 2000,
      refetchInterval: pollInterval,
      retry: (count, error) => !(error instanceof Problem && error.status >= 400 && error.status < 500) && count < 2,
    },
    mutations: { networkMode: 'always' },
  },
});
const schemes = localStorageColorSchemeManager({ key: 'helicline.scheme' });

const translated = fromHash(location.hash);
if (translated) history.replaceState(null, '', translated);
window.addEventListener('hashchange', () => {
  const path = fromHash(location.hash);
  if (path) router.history.replace(path);
});
void loadSession();

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <QueryClientProvider client={client}>
      <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={schemes}>
        <App />
      </MantineProvider>
    </QueryClientProvider>,
  );
}
