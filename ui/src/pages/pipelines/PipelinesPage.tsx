export default function Page() { return <h1>pipelines/PipelinesPage</h1>; }
