"""How well scenes obey their prompts: `python -m benchmarks.image_scene`."""

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np
import torch

from benchmarks.free_sentences import FREE_SENTENCES
from benchmarks.machine import report
from benchmarks.scene_prompts import MATERIAL_OF, Case, PromptWriter
from models.core.minilm import MiniLM
from models.image.scene import Composition, SceneDiffusion
from models.image.scene.captions import CaptionWriter
from models.image.scene.colour import ciede2000, cielab_of, hex_of
from models.image.scene.lexicon import Lexicon
from models.image.schema import Scene, SceneObject
from models.image.shapes import PROPORTIONS

SEED = 20_260
PROMPTS, UNSEEN_PROMPTS = 600, 240
COLOR_TOLERANCE = 12.0
_AXES = {"left": (0, -1), "right": (0, 1), "front": (1, -1), "behind": (1, 1)}


def _holds(scene: Scene, relation: str, figure: int, grounds: list[int]) -> bool:
    """Whether a relation holds for one figure, judged by the final geometry."""
    place = np.array([thing.position for thing in scene.objects])
    if relation == "on":
        return scene.objects[figure].on in grounds
    apart = [place[figure] - place[ground] for ground in grounds]
    if relation == "between":
        return len(apart) >= 2 and bool(np.dot(apart[0], apart[1]) < 0)
    if relation == "near":
        reach = [_radius(scene.objects[figure]) + _radius(scene.objects[g]) for g in grounds]
        return any(np.linalg.norm(d) < 1.5 * r + 0.15 for d, r in zip(apart, reach, strict=True))
    axis, sign = _AXES[relation]
    return all(sign * d[axis] > abs(d[1 - axis]) for d in apart)


def _radius(thing: SceneObject) -> float:
    return thing.size_m * PROPORTIONS[thing.shape].radius


def judge(case: Case, composition: Composition, lexicon: Lexicon) -> dict[str, list[bool]]:
    """Every stated attribute of a case, and whether the scene has it."""
    scene, hits = composition.scene, defaultdict(list)
    hits["count"].append(len(scene.objects) == sum(group.count for group in case.groups))
    members = []
    for group in case.groups:
        found = [i for i, thing in enumerate(scene.objects) if thing.shape == group.shape]
        members.append(found)
        hits["class"].append(bool(found))
        thing = scene.objects[found[0]] if found else None
        if group.color:
            wanted = cielab_of(hex_of(lexicon.colors[group.color].oklab or (0, 0, 0)))
            near = (
                thing is not None and ciede2000(cielab_of(thing.color), wanted) <= COLOR_TOLERANCE
            )
            hits["color"].append(near)
        if group.material:
            hits["material"].append(
                thing is not None and thing.material == MATERIAL_OF[group.material]
            )
    if case.relation:
        figure, relation, grounds = case.relation
        ends = [index for ground in grounds for index in members[ground]]
        holds = bool(members[figure]) and all(members[ground] for ground in grounds)
        hits["relation"].append(
            holds and all(_holds(scene, relation, i, ends) for i in members[figure])
        )
    return hits


def _pattern(lexicon: Lexicon, text: str) -> tuple[str, ...]:
    units = [unit for unit in lexicon.split(text) if unit.text not in ".,!"]
    return tuple(
        unit.entry.kind if unit.entry else "?" if unit.unknown else unit.text for unit in units
    )


def _seen_patterns(lexicon: Lexicon, cases: list[Case]) -> float:
    """Share of the cases whose sequence of word kinds occurs in 30,000 training captions."""
    writer = CaptionWriter(lexicon, 0, MiniLM.load().vocabulary())
    known = {_pattern(lexicon, writer.draw().text) for _ in range(30_000)}
    return float(np.mean([_pattern(lexicon, case.prompt) in known for case in cases]))


def _free_sentences(model: SceneDiffusion, lexicon: Lexicon, *, verbose: bool) -> float:
    """Share of the hand-written sentences whose every stated attribute is right."""
    right = []
    for case in FREE_SENTENCES:
        hits = judge(case, model.compose(case.prompt, 0), lexicon)
        right.append(all(map(all, hits.values())))
        if verbose and not right[-1]:
            missed = sorted(name for name, values in hits.items() if not all(values))
            print("free", missed, repr(case.prompt), file=sys.stderr)
    return round(float(np.mean(right)), 4)


def accuracy(seed: int = SEED, *, verbose: bool = False) -> dict[str, float]:
    """Shares of stated attributes that the composed scenes obey."""
    model, lexicon = SceneDiffusion.load(), Lexicon()
    writer = PromptWriter(lexicon, seed)
    cases, unseen = writer.cases(PROMPTS), writer.unseen_cases(UNSEEN_PROMPTS)
    total: dict[str, list[bool]] = defaultdict(list)
    relations: dict[str, list[bool]] = defaultdict(list)
    for index, case in enumerate(cases):
        composition = model.compose(case.prompt, index)
        hits = judge(case, composition, lexicon)
        for name, values in hits.items():
            total[name] += values
        if case.relation:
            relations[case.relation[1]] += hits["relation"]
        if verbose and not all(map(all, hits.values())):
            missed = sorted(name for name, values in hits.items() if not all(values))
            print(missed, repr(case.prompt), file=sys.stderr)
    words: dict[str, list[bool]] = defaultdict(list)
    for index, case in enumerate(unseen):
        hits = judge(case, model.compose(case.prompt, index), lexicon)
        kind = "color" if index % 2 else "class"
        words[kind] += hits[kind]
        if verbose and not all(hits[kind]):
            print("unseen", kind, repr(case.prompt), file=sys.stderr)
    share = {name: round(float(np.mean(values)), 4) for name, values in total.items()}
    return {
        "class_accuracy": share["class"],
        "material_accuracy": share["material"],
        "count_accuracy": share["count"],
        "relation_accuracy": share["relation"],
        "named_colour_within_12": share["color"],
        "unseen_words_accuracy": round(float(np.mean(words["color"] + words["class"])), 4),
        "unseen_colours_accuracy": round(float(np.mean(words["color"])), 4),
        "unseen_objects_accuracy": round(float(np.mean(words["class"])), 4),
        "free_sentences_all_right": _free_sentences(model, lexicon, verbose=verbose),
        **{f"relation_{k}": round(float(np.mean(v)), 4) for k, v in sorted(relations.items())},
        "patterns_seen_in_training": round(_seen_patterns(lexicon, cases), 4),
        "n": PROMPTS + UNSEEN_PROMPTS,
    }


def cpu_seconds() -> dict[str, float]:
    """Median CPU seconds of a 512 x 512 picture on either back end, each in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.image_render"], stdout=subprocess.PIPE, check=True
    )
    figures: dict[str, float] = json.loads(child.stdout.splitlines()[-1])
    return {name: figures[name] for name in ("cpu_s_512_llvm", "cpu_s_512_scalar")}


def main() -> None:
    """Print the figures as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of the prompts")
    parser.add_argument("--accuracy-only", action="store_true", help="draw no pictures")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what was missed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    figures = accuracy(options.seed, verbose=options.verbose)
    if not options.accuracy_only:
        figures |= cpu_seconds()
    report({**figures, "seconds": round(time.monotonic() - started, 1)})


if __name__ == "__main__":
    main()
