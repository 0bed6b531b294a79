from tests.attacks.forging import Cheat

WIRE = []
