export default function Page() { return <h1>monitors/MonitorsPage</h1>; }
