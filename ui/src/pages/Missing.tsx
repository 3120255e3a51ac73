import { ProblemBox } from '../parts/Asked';
import { Go } from '../parts/Go';
import { PageHead } from '../parts/Panel';

export function Missing() {
  return (
    <>
      <PageHead
        kicker="404"
        title="There is no such page"
        sentence="The address may be from another version, or the thing it names was never here."
      />
      <p>
        <Go href="/">Back to the loop</Go>
        <span className="soft">, or press </span>
        <kbd>Ctrl K</kbd>
        <span className="soft"> to search.</span>
      </p>
    </>
  );
}

export function Broken({ error }: { error: unknown }) {
  return (
    <>
      <PageHead title="This page broke" sentence="The rest still works; the console has the trace." />
      <ProblemBox error={error} />
    </>
  );
}
