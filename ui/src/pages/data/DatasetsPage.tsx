export default function Page() { return <h1>data/DatasetsPage</h1>; }
