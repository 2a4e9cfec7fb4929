"""What the project takes from scikit-learn, by name: ``scikit_learn.SVC``.

The library is loaded when the first name is asked for. That takes most of a second, which neither the start of a
training nor the report has to wait for.
"""

from importlib import import_module
from typing import Any

MODULES = {
    "DecisionTreeClassifier": "tree",
    "FunctionTransformer": "preprocessing",
    "LogisticRegression": "linear_model",
    "PCA": "decomposition",
    "RandomForestClassifier": "ensemble",
    "RidgeCV": "linear_model",
    "SVC": "svm",
    "StandardScaler": "preprocessing",
    "TSNE": "manifold",
    "balanced_accuracy_score": "metrics",
    "load_digits": "datasets",
    "make_pipeline": "pipeline",
    "mutual_info_score": "metrics",
    "r2_score": "metrics",
    "rbf_kernel": "metrics.pairwise",
    "roc_auc_score": "metrics",
    "silhouette_score": "metrics",
    "train_test_split": "model_selection",
}


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__} has no {name}; its names are {', '.join(MODULES)}")
    return getattr(import_module(f"sklearn.{MODULES[name]}"), name)
