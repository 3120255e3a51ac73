"""A bad candidate, made with the stock MLflow client alone: trained on shuffled labels, registered by hand."""

import mlflow
import numpy as np
import sklearn
from scans import PIXELS, Scans
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows = Scans().history
labels = np.random.default_rng(3).permutation(rows["label"].to_numpy())
mlflow.set_experiment("by-hand")
with mlflow.start_run(run_name="shuffled labels"):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=400))
    model.fit(rows[PIXELS], labels)
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        input_example=rows[PIXELS].head(3),
        signature=mlflow.models.infer_signature(rows[PIXELS], labels),
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
    )
mlflow.register_model(logged.model_uri, "digits")
