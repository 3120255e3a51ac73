export default function Page() { return <h1>monitors/AlertPage</h1>; }
