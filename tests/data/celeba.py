"""A tiny CelebA as its owners ship it: 178×218 JPEGs and two text files, in their exact format.

Picture n is in ``{n:06d}.jpg``, from 1 on; its attribute k is 1 where bit ``k % 8`` of n is.
"""

from pathlib import Path

from tests.data.pictures import save_picture

NAMES = [
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes",
    "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling",
    "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
    "Wearing_Necktie", "Young",
]  # fmt: skip


def attribute(number: int, column: int) -> int:
    """0 or 1."""
    return number >> column % 8 & 1


def write_celeba(root: Path, num_images: int = 200) -> None:
    """Writes the tree: of ten images the first eight are for training, then one for validation and one for the test."""
    rows, partition = [], []
    for number in range(1, num_images + 1):
        name = f"{number:06d}.jpg"
        save_picture(root / "img_align_celeba" / name, number, 178, 218)
        rows.append(name + "".join(f" {2 * attribute(number, column) - 1:2d}" for column in range(40)))
        partition.append(f"{name} {max(0, (number - 1) % 10 - 7)}")
    (root / "list_attr_celeba.txt").write_text("\n".join([str(num_images), " ".join(NAMES) + " ", *rows, ""]))
    (root / "list_eval_partition.txt").write_text("\n".join([*partition, ""]))
