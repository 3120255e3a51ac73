import type { DeploymentDetail } from '../../api/types';
import { Code } from '../../parts/Code';

/** How to load the model and how to ask its deployment, ready to paste. */
export function Usage({
  model,
  number,
  deployment,
}: {
  model: string;
  number?: number;
  deployment?: DeploymentDetail;
}) {
  const point = number ? `/${number}` : '@champion';
  const python = `import mlflow
mlflow.set_tracking_uri("${location.origin}")
model = mlflow.pyfunc.load_model("models:/${model}${point}")`;
  const address = deployment?.gateways[0]?.observed.address ?? 'http://127.0.0.1:7080';
  const curl = `curl ${address}/endpoints/${deployment?.deployment.name ?? model}/invocations \\
  -H 'Content-Type: application/json' \\
  -d '{"dataframe_split": {"columns": ["…"], "data": [["…"]]}}'`;
  return (
    <div className="halves">
      <div className="tight">
        <h3>In Python</h3>
        <Code text={python} label="In Python" />
      </div>
      <div className="tight">
        <h3>{deployment ? 'Over HTTP' : 'Over HTTP, once it is deployed'}</h3>
        <Code text={curl} label="Over HTTP" />
      </div>
    </div>
  );
}
