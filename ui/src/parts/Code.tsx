import { ActionIcon, CopyButton } from '@mantine/core';
import { short } from './format';
import { Icon } from './Icon';
import css from './parts.module.css';

export function Code({ text, label = 'Code' }: { text: string; label?: string }) {
  return (
    <div className={css.codeBox}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it */}
      <pre className={css.code} tabIndex={0} aria-label={label} role="region">
        {text}
      </pre>
      <Copy text={text} />
    </div>
  );
}

export function Copy({ text, what = 'Copy' }: { text: string; what?: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          onClick={copy}
          title={copied ? 'Copied' : what}
          aria-label={copied ? 'Copied' : what}
        >
          <Icon name={copied ? 'check' : 'copy'} size={13} />
        </ActionIcon>
      )}
    </CopyButton>
  );
}

/** A long id: its beginning, the rest on hover. */
export function Id({ of }: { of: string }) {
  return (
    <span className={css.id} title={of}>
      {short(of)}
    </span>
  );
}
