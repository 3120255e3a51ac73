import { stateOf } from '../words';
import { Icon } from './Icon';
import css from './parts.module.css';

/** A state as mark and word; the tone's colour only repeats what they say. */
export function State({ state, word, plain = false }: { state: string; word?: string; plain?: boolean }) {
  const shown = stateOf(state);
  return (
    <span className={`${css.state} ${css[shown.tone]} ${plain ? css.plain : ''}`} data-state={state}>
      <Icon name={shown.mark} size={11} />
      {word ?? shown.word}
    </span>
  );
}

export function AliasPill({ alias }: { alias: string }) {
  return <span className={css.alias}>@{alias}</span>;
}
