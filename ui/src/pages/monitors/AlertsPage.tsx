export default function Page() { return <h1>monitors/AlertsPage</h1>; }
