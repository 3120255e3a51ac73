export default function Page() { return <h1>data/DatasetPage</h1>; }
