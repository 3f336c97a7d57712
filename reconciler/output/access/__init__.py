"""Write the access report in every output format.

Each output format is a function that takes an `AccessReport`.
"""
