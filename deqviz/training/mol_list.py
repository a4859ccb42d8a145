"""The recipes of the MOL family: one backbone, one number of steps, one task after the other."""

from deqviz.training.mol_recipes import InverseProblemRecipe, MolRecipe, UNetRecipe, UnrolledRecipe
from deqviz.training.tasks import Head, Natural
from deqviz.training.volume_tasks import Film, Slab

_FAST = Head(acceleration=6.0)
_BLUR, _HOLES = Natural("blur"), Natural("inpainting")

MOL_RECIPES: tuple[InverseProblemRecipe, ...] = (
    MolRecipe("mol_sn", "MOL-SN, m = 0.1, R = 4", 2000, 2e-3, error=1e-4),
    MolRecipe("mol_sn_02", "MOL-SN, m = 0.02, R = 4", 600, 1e-3, error=1e-4, margin=0.02, start="mol_sn"),
    MolRecipe("mol_sn_30", "MOL-SN, m = 0.3, R = 4", 600, 1e-3, error=1e-4, margin=0.3, start="mol_sn"),
    MolRecipe("mol_lr", "MOL-LR, R = 4", 2000, 2e-3, error=1e-4, margin=0.02, version="approximate"),
    MolRecipe("mol_free", "Unconstrained, R = 4", 2000, 1e-3, error=1e-4, version="unconstrained"),
    UnrolledRecipe("modl", "MoDL, 8 iterations, R = 4", 2000, 2e-3, error=1e-4),
    UnrolledRecipe("admm_net", "ADMM-Net, 8 iterations, R = 4", 2000, 2e-3, error=1e-4, kind="admm"),
    UNetRecipe("unet", "U-Net after SENSE, R = 4", 2000, 1e-3, error=1e-4),
    MolRecipe("mol_sn_r6", "MOL-SN, m = 0.1, R = 6", 600, 1e-3, error=1e-4, task=_FAST, start="mol_sn"),
    MolRecipe(
        "mol_lr_r6",
        "MOL-LR, R = 6",
        600,
        1e-3,
        error=1e-4,
        task=_FAST,
        margin=0.02,
        version="approximate",
        start="mol_lr",
    ),
    UnrolledRecipe("modl_r6", "MoDL, 8 iterations, R = 6", 600, 1e-3, error=1e-4, task=_FAST, start="modl"),
    MolRecipe("mol_sn_blur", "MOL-SN, m = 0.1, blur", 400, 2e-3, task=_BLUR),
    MolRecipe("mol_lr_blur", "MOL-LR, blur", 400, 1e-3, task=_BLUR, margin=0.02, version="approximate"),
    MolRecipe("mol_sn_inpainting", "MOL-SN, m = 0.1, inpainting", 400, 2e-3, task=_HOLES),
    MolRecipe(
        "mol_lr_inpainting", "MOL-LR, inpainting", 400, 5e-4, task=_HOLES, margin=0.02, version="approximate"
    ),
    MolRecipe("mol_3d", "MOL-SN, m = 0.1, volumes", 1000, 2e-3, error=1e-4, patch=28, width=12, task=Slab()),
    MolRecipe(
        "mol_2dt", "MOL-SN, m = 0.1, dynamic series", 1000, 2e-3, error=1e-4, patch=32, width=12, task=Film()
    ),
)
