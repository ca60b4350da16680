"""The numbers of every component as they were when its definition was settled."""

import pytest

from elad_exp.types import Sample
from tests.unit.scorer_toys import FakeStudent, samples, score

CLOSED = {
    "answer_entropy": (0.4919960115279275, 0.5886369685475229, 0.2410625061724303),
    "direct_entropy": (0.48175281575334417, 0.6099909440047779, 0.3551939978166936),
    "inter": (0.0, 0.5623351446188083, 0.5623351446188083),
    "intra": (0.5874283704767023, 0.49756342150228616, 0.29897453793711204),
    "intra_excess": (0.12610626050466878, 0.03624131153025267, -0.16234757203492145),
    "least_confidence": (0.19401735176467094, 0.2754835745349964, 0.06520769921093006),
    "margin": (0.3880347035293419, 0.5509671490699928, 0.13041539842186012),
    "question_length": (3.0, 3.0, 3.0),
    "rare_words": (0.6666666666666666, 0.5, 0.6666666666666666),
    "step_content": (0.6059391565991873, 0.9241962407465937, 0.8805922287662146),
    "step_content_sum": (1.817817469797562, 2.772588722239781, 2.641776686298644),
    "step_entropy": (0.5238182624666232, 0.2108957817274943, 0.42345879417370885),
    "step_entropy_max": (0.7739413394255621, 0.22197613439674413, 0.5100171284360363),
    "step_entropy_sum": (1.0476365249332464, 0.4217915634549886, 0.8469175883474177),
}
OPEN = {
    "answer_entropy": (0.0, 0.5623351446188083, 0.5623351446188083),
    "inter": (0.0, 0.5623351446188083, 0.5623351446188083),
    "least_confidence": (0.0, 0.25, 0.25),
    "margin": (0.0, 0.5, 0.5),
    "question_length": (3.0, 3.0, 3.0),
    "rare_words": (1.0, 0.8333333333333334, 1.0),
    "step_content": (0.6059391565991873, 0.9241962407465937, 0.8805922287662146),
    "step_content_sum": (1.817817469797562, 2.772588722239781, 2.641776686298644),
    "step_entropy": (0.5238182624666232, 0.2108957817274943, 0.42345879417370885),
    "step_entropy_max": (0.7739413394255621, 0.22197613439674413, 0.5100171284360363),
    "step_entropy_sum": (1.0476365249332464, 0.4217915634549886, 0.8469175883474177),
}


@pytest.mark.parametrize(("question", "expected"), [("Is it?", CLOSED), ("What number?", OPEN)])
def test_scores_are_what_they_were_bit_for_bit(question, expected):
    labelled = [Sample("l", "is it 1")]
    found = score(FakeStudent(), samples(3, question), *expected, labelled=labelled)
    for name, values in expected.items():
        assert tuple(candidate.scores[name] for candidate in found) == values
