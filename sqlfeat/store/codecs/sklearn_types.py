"""Which types a scikit-learn model may hold: our allow-list, and the check of a file against it before it is read.

A file of skops says in ``schema.json`` what is to be made: a tree of nodes, each with a loader, a module and a class.
Reading it makes objects of these classes and sets their attributes. So every node must be of a loader and a type that
stand here: plain values, arrays, and estimators of scikit-learn by their public names. Nothing else is ever imported,
no method is looked up, and no function is kept but those named here. What only fits, clusters, reads text or holds
sparse matrices has been left out on purpose.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_ESTIMATORS = {
    "calibration": "CalibratedClassifierCV",
    "compose": "ColumnTransformer TransformedTargetRegressor",
    "cross_decomposition": "PLSRegression",
    "decomposition": "FactorAnalysis FastICA IncrementalPCA KernelPCA NMF PCA TruncatedSVD",
    "discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "dummy": "DummyClassifier DummyRegressor",
    "ensemble": "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor ExtraTreesClassifier "
    "ExtraTreesRegressor GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier "
    "HistGradientBoostingRegressor IsolationForest RandomForestClassifier RandomForestRegressor StackingClassifier "
    "StackingRegressor VotingClassifier VotingRegressor",
    "feature_selection": "GenericUnivariateSelect RFE RFECV SelectFdr SelectFpr SelectFromModel SelectFwe "
    "SelectKBest SelectPercentile SequentialFeatureSelector VarianceThreshold",
    "gaussian_process": "GaussianProcessClassifier GaussianProcessRegressor",
    "gaussian_process.kernels": "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern Product "
    "RBF RationalQuadratic Sum WhiteKernel",
    "impute": "IterativeImputer KNNImputer MissingIndicator SimpleImputer",
    "isotonic": "IsotonicRegression",
    "kernel_approximation": "AdditiveChi2Sampler Nystroem PolynomialCountSketch RBFSampler SkewedChi2Sampler",
    "kernel_ridge": "KernelRidge",
    "linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars LarsCV "
    "Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression LogisticRegression LogisticRegressionCV "
    "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV PassiveAggressiveClassifier PassiveAggressiveRegressor "
    "Perceptron PoissonRegressor QuantileRegressor RANSACRegressor Ridge RidgeCV RidgeClassifier RidgeClassifierCV "
    "SGDClassifier SGDRegressor TheilSenRegressor TweedieRegressor",
    "model_selection": "FixedThresholdClassifier",
    "multiclass": "OneVsOneClassifier OneVsRestClassifier",
    "naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "neighbors": "KNeighborsClassifier KNeighborsRegressor NearestCentroid",
    "neural_network": "MLPClassifier MLPRegressor",
    "pipeline": "FeatureUnion Pipeline",
    "preprocessing": "Binarizer FunctionTransformer KBinsDiscretizer KernelCenterer LabelBinarizer LabelEncoder "
    "MaxAbsScaler MinMaxScaler Normalizer OneHotEncoder OrdinalEncoder PolynomialFeatures PowerTransformer "
    "QuantileTransformer RobustScaler StandardScaler TargetEncoder",
    "svm": "LinearSVC LinearSVR NuSVC NuSVR SVC SVR",
    "tree": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
}
"""Package of scikit-learn -> its public estimators that a model may hold."""

_INSIDES = {
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
    "sklearn._loss.loss": "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss "
    "HalfPoissonLoss HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss PinballLoss",
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.metrics._dist_metrics": "EuclideanDistance64 ManhattanDistance64 MinkowskiDistance64",
    "sklearn.multiclass": "_ConstantPredictor",
    "sklearn.neighbors._kd_tree": "KDTree",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
}
"""What such estimators are made of."""

_LOSSES = {
    "sklearn._loss._loss": "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss CyHalfMultinomialLoss "
    "CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss",
    "sklearn.linear_model._sgd_fast": "EpsilonInsensitive Hinge Huber Log ModifiedHuber SquaredEpsilonInsensitive "
    "SquaredHinge SquaredLoss",
}
_FUNCTIONS = {
    "sklearn.utils.validation": "check_array",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "numpy": "abs absolute cbrt ceil clip cos exp exp2 expm1 floor log log10 log1p log2 mean median nan_to_num "
    "negative reciprocal rint round sign sin sqrt square tan tanh",
}
_SCALARS = "bool bool_ float16 float32 float64 int16 int32 int64 int8 str_ uint16 uint32 uint64 uint8"
_VALUES = {
    "DictNode": {"builtins": "dict", "sklearn.utils._bunch": "Bunch"},
    "DTypeNode": {"numpy": "dtype"},
    "JsonNode": {"builtins": "str"},
    "ListNode": {"builtins": "list"},
    "NdArrayNode": {"numpy": f"ndarray {_SCALARS}"},
    "PartialNode": {"functools": "partial"},
    "RandomGeneratorNode": {"numpy.random._generator": "Generator"},
    "RandomStateNode": {"numpy.random.mtrand": "RandomState"},
    "SetNode": {"builtins": "set"},
    "SliceNode": {"builtins": "slice"},
    "TupleNode": {"builtins": "tuple", "sklearn.impute._iterative": "_ImputerTriplet"},
    "TypeNode": {"builtins": "bool dict float int list str tuple", "numpy": f"object_ {_SCALARS}"},
    "FunctionNode": _FUNCTIONS,
    "LossNode": _LOSSES,
    "ObjectNode": _INSIDES,
    "TreeNode": {"sklearn.tree._tree": "Tree"},
}
"""Loader of skops -> module -> names of what it may make, besides the estimators."""
_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_ARRAY_FILE = re.compile(r"[0-9]{1,20}\.npy")


def nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Every node below a part of a schema, whatever it hangs on."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "__loader__" in part or "__class__" in part:
                yield part
            waiting.extend(reversed(part.values()))
        elif isinstance(part, list):
            waiting.extend(reversed(part))


def foreign_types(schema: Mapping[str, Any]) -> list[str]:
    """What a schema would make that does not stand in the allow-list, each by its whole name."""
    strange = dict.fromkeys(_name(node) for node in nodes(schema) if not _is_ours(node))
    return list(strange)


def named_types(schema: Mapping[str, Any]) -> list[str]:
    """The whole names of all that a schema would make."""
    return sorted({_name(node) for node in nodes(schema)})


def _name(node: Mapping[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _is_ours(node: Mapping[str, Any]) -> bool:
    loader, module, name = (node.get(key) for key in ("__loader__", "__module__", "__class__"))
    if not isinstance(loader, str) or not isinstance(module, str) or not isinstance(name, str):
        return False
    listed = name in _VALUES.get(loader, {}).get(module, "").split()
    if loader == "ObjectNode" and not listed:
        listed = _is_estimator(module, name)
    return listed and _is_well_formed(loader, node)


def _is_well_formed(loader: str, node: Mapping[str, Any]) -> bool:
    """Whether what a node says besides its type is what skops writes: a file of the archive, a known generator."""
    if loader == "NdArrayNode" and node.get("type") == "numpy":
        return isinstance(node.get("file"), str) and _ARRAY_FILE.fullmatch(node["file"]) is not None
    if loader == "RandomGeneratorNode":
        try:
            named = json.loads(node["content"]["bit_generator"]["content"]["bit_generator"]["content"])
        except (KeyError, TypeError, ValueError):
            return False
        return named in _GENERATORS
    return True


def _is_estimator(module: str, name: str) -> bool:
    """Whether this is a listed estimator of scikit-learn, in the very module where its public name leads."""
    for package, names in _ESTIMATORS.items():
        home = f"sklearn.{package}"
        if (module == home or module.startswith(f"{home}.")) and name in names.split():
            public = getattr(importlib.import_module(home), name, None) or _experimental(home, name)
            if public is not None and public.__module__ == module:
                return True
    return False


def _experimental(home: str, name: str) -> Any:
    """``IterativeImputer`` gets its public name when an experimental module is imported."""
    if name != "IterativeImputer":
        return None
    importlib.import_module("sklearn.experimental.enable_iterative_imputer")
    return getattr(importlib.import_module(home), name, None)
