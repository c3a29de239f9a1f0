"""The model test: one random program, run on asyncio and on _fastproc, and all it shows compared.

puppet.c, puppet.py   a child that carries out orders and says when it is done
programs.py           what programs there are
player.py             runs one, and writes down all that can be observed
additions.py          what is not in asyncio, in terms of it
rules.py              where asyncio is not the model, each with its reason
recorded.py           programs that once found something
"""
