"""Pairs of steps, written by hand in the style of explanations before anything was measured.

No pair differs in numbers, names or negations in order of mention: those that do are told apart
without an encoder. `SAME` says one thing in two ways; `OTHER` says different things about one
subject, so that one can be right and the other wrong; `APART` are about different subjects.
"""

SAME = (
    (
        "A llama is pregnant for about eleven months.",
        "The gestation of a llama is some eleven months.",
    ),
    ("Penguins live in cold places.", "The habitat of penguins is cold."),
    ("The body needs water to survive.", "Without water a body dies."),
    ("Iron sinks in water.", "If you put iron into water, it goes down."),
    (
        "A police officer has to be sober on duty.",
        "Officers may drink only when they are off duty.",
    ),
    ("Cats are kept as pets.", "People keep cats at home as pets."),
    ("The sun is a star.", "Our sun belongs to the stars."),
    ("Bats hunt at night.", "Bats look for food after dark."),
    ("Bread is made from flour.", "To bake bread one uses flour."),
    ("A lawyer must pass an exam.", "Lawyers have to get through an examination."),
    ("The film came out in 1999.", "The film was released in 1999."),
    ("Napoleon was born on an island.", "Napoleon came from an island."),
    ("The tower of Pisa leans to one side.", "The tower in Pisa is tilted."),
    ("A rabbit eats plants only.", "Rabbits are strict vegetarians."),
    ("The man is outside.", "The man is out of doors."),
    ("A woman is playing an instrument.", "A lady makes music on an instrument."),
    ("The children are asleep.", "The kids are sleeping."),
    ("Running makes you tired.", "You get tired from running."),
    ("Glass breaks easily.", "Glass is fragile."),
    ("A ticket costs more than a coffee.", "A coffee is cheaper than a ticket."),
    ("The company went bankrupt.", "The company ran out of money and closed."),
    ("Snakes shed their skin.", "The skin of snakes comes off from time to time."),
    ("He is heavier than his brother.", "His brother weighs less than he does."),
    ("The river flows into the sea.", "The river ends in the sea."),
)

OTHER = (
    ("A llama is pregnant for about eleven months.", "A llama is pregnant for about three months."),
    ("Penguins live in cold places.", "Penguins live in warm places."),
    ("The body needs water to survive.", "The body needs sugar to survive."),
    ("Iron sinks in water.", "Iron floats on water."),
    ("A police officer has to be sober on duty.", "A police officer may drink on duty."),
    ("Cats are kept as pets.", "Cats are kept for their meat."),
    ("The sun is a star.", "The sun is a planet."),
    ("Bats hunt at night.", "Bats sleep at night."),
    ("Bread is made from flour.", "Bread is made from rice."),
    ("A lawyer must pass an exam.", "A lawyer must run a marathon."),
    ("The film came out in 1999.", "The film was forgotten in 1999."),
    ("Napoleon was born on an island.", "Napoleon died on an island."),
    ("The tower of Pisa leans to one side.", "The tower of Pisa stands upright."),
    ("A rabbit eats plants only.", "A rabbit eats insects only."),
    ("The man is outside.", "The man is inside."),
    ("A woman is playing an instrument.", "A woman is selling an instrument."),
    ("The children are asleep.", "The children are awake."),
    ("Running makes you tired.", "Running makes you happy."),
    ("Glass breaks easily.", "Glass bends easily."),
    ("A ticket costs more than a coffee.", "A ticket costs less than a coffee."),
    ("The company went bankrupt.", "The company made a profit."),
    ("Snakes shed their skin.", "Snakes keep their skin."),
    ("He is heavier than his brother.", "He is lighter than his brother."),
    ("The river flows into the sea.", "The river flows into a lake."),
)

APART = tuple(
    (one, OTHER[(i + 7) % len(OTHER)][1])
    for i, (one, _) in enumerate(OTHER)
    if "1999" not in one and "1999" not in OTHER[(i + 7) % len(OTHER)][1]
    if not {"Napoleon", "Pisa"}
    & set((one + OTHER[(i + 7) % len(OTHER)][1]).replace(".", "").split())
)

KINDS = {"same": SAME, "other": OTHER, "apart": APART}
