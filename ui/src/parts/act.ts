import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Problem, post } from '../api/client';
import { notify } from './notify';

interface Order {
  path: string;
  body?: unknown;
  done: string;
}

/** A change asked of the server: says how it came out and asks again for what it made stale. */
export function useAct() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (order: Order) => post<unknown>(order.path, order.body),
    onSuccess: (_, order) => {
      void notify({ message: order.done, color: 'green', autoClose: 3500 });
      return client.invalidateQueries();
    },
    onError: (error) => {
      const hint = error instanceof Problem ? error.hint : '';
      void notify({ title: error.message, message: hint, color: 'red', autoClose: 8000 });
    },
  });
}
