"""What classifiers learn of known factors from latents: the tables behind SAP, DCI and explicitness.

They learn from half of the rows and are judged on the other half, by values of equal weight.

Axes: N rows, D dimensions of the latent, F factors.
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

TREES = 50  # of a random forest
LEAST_ROWS = 4  # of a value: two to learn from, two to be judged on


def separability(latents: np.ndarray, factors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Balanced accuracy ``(D, F)`` with which thresholds on one dimension tell the values of a factor apart.

    The thresholds, at most one fewer than there are values, are those of a decision tree.

    Args:
        latents: ``(N, D)``.
        factors: integers ``(N, F)``.
        seed: of the halves.
    """
    table = np.empty((latents.shape[1], factors.shape[1]))
    for number, factor in enumerate(factors.T):
        learn, judge = _halves(factor, seed)
        tree = DecisionTreeClassifier(max_leaf_nodes=len(np.unique(factor)), class_weight="balanced", random_state=seed)
        for dimension, latent in enumerate(latents.T):
            tree.fit(latent[learn, None], factor[learn])
            table[dimension, number] = balanced_accuracy_score(factor[judge], tree.predict(latent[judge, None]))
    return table


def forest_importance(latents: np.ndarray, factors: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """How much a random forest that tells the values of a factor apart uses each dimension, and its accuracy.

    DCI of Eastwood and Williams 2018 has the choice of lasso or random forest; this is the forest, of 50 trees. Every
    split may take any dimension: with a random few to choose from, even a useless one would be used. The importance is
    the mean decrease of the Gini impurity.

    Args:
        latents: ``(N, D)``.
        factors: integers ``(N, F)``.
        seed: of the halves and the trees.

    Returns:
        importance ``(D, F)``, with columns of sum 1; balanced accuracy ``(F,)``.
    """
    importance, accuracy = [], []
    for factor in factors.T:
        learn, judge = _halves(factor, seed)
        forest = RandomForestClassifier(TREES, max_features=None, class_weight="balanced", random_state=seed)
        forest.fit(latents[learn], factor[learn])
        importance.append(forest.feature_importances_)
        accuracy.append(balanced_accuracy_score(factor[judge], forest.predict(latents[judge])))
    return np.stack(importance, 1), np.array(accuracy)


def explicitness(latents: np.ndarray, factors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Ridgeway and Mozer 2018, of each factor ``(F,)``: how well a linear classifier of all dimensions finds a value.

    For every value a logistic regression tells it from the others; the area under its ROC curve, 0.5 by chance, is
    scaled so that chance is 0. Given is the mean over the values.

    Args:
        latents: ``(N, D)``.
        factors: integers ``(N, F)``.
        seed: of the halves.
    """
    results = []
    for factor in factors.T:
        learn, judge = _halves(factor, seed)
        scaler = StandardScaler().fit(latents[learn])
        known, tested = scaler.transform(latents[learn]), scaler.transform(latents[judge])
        areas = []
        for value in np.unique(factor):
            classifier = LogisticRegression().fit(known, factor[learn] == value)
            areas.append(roc_auc_score(factor[judge] == value, classifier.decision_function(tested)))
        results.append(2 * np.mean(areas) - 1)
    return np.array(results)


def _halves(factor: np.ndarray, seed: int) -> list[np.ndarray]:
    """Rows to learn from and rows to be judged on, with every value in both."""
    return train_test_split(np.arange(len(factor)), test_size=0.5, stratify=factor, random_state=seed)
