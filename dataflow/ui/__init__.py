"""The workbench: pages for people who do not work in a terminal, in a process of its own.

Every page reads through the door in the role of its reader, every action is a form answered by 303, and nothing needs
JavaScript.
"""
