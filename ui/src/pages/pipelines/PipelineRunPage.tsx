export default function Page() { return <h1>pipelines/PipelineRunPage</h1>; }
