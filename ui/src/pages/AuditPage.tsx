export default function Page() { return <h1>AuditPage</h1>; }
