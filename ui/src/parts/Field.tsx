import { TextInput } from '@mantine/core';

interface FieldProps {
  label: string;
  /** What stands in it while it is empty; the label, if left out. */
  hint?: string;
  value: string;
  onSet: (value: string) => void;
  /** How much of the row's room it takes. */
  grow?: number;
  /** The first to have the keyboard in a dialog. */
  first?: boolean;
}

/** One line of text in a small form whose label is read out, not shown. */
export function Field({ label, hint, value, onSet, grow, first }: FieldProps) {
  return (
    <TextInput
      size="xs"
      aria-label={label}
      placeholder={hint ?? label}
      value={value}
      onChange={(event) => onSet(event.currentTarget.value)}
      style={grow ? { flex: grow } : undefined}
      data-autofocus={first || undefined}
    />
  );
}
