import { useState } from 'react';
import { useWho } from '../api/session';
import { Field } from './Field';

const KEY = 'helicline.person';

interface Person {
  name: string;
  /** Whether a token says the name, so that nobody can say another. */
  isKnown: boolean;
  setName: (name: string) => void;
}

/** In whose name a person decides: the token's, or what a local caller says; that is kept in this browser. */
export function usePerson(): Person {
  const who = useWho();
  const [name, setName] = useState(() => localStorage.getItem(KEY) ?? '');
  if (who && who.name !== 'local') return { name: who.name, isKnown: true, setName };
  return {
    name,
    isKnown: false,
    setName: (next: string) => {
      localStorage.setItem(KEY, next);
      setName(next);
    },
  };
}

export function PersonField({ person, grow }: { person: Person; grow?: number }) {
  if (person.isKnown)
    return (
      <span className="soft">
        As <strong>{person.name}</strong>
      </span>
    );
  return <Field label="Your name" value={person.name} onSet={person.setName} grow={grow} />;
}
