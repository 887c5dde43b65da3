"""Deciding: pure functions from facts to plans. The operations beside this folder gather and apply."""
