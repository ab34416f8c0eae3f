"""Figures that answer to the reader: one Python class and one small ES module each.

base           Explorable: state in traitlets, a live widget and a self-contained HTML fragment
hello_stepper  HelloStepper: the "hello" network, one time step and one number at a time
gradient_lag   GradientLag: how much gradient is left after a number of steps back in time
quiz           Quiz, Question: multiple choice with an explanation for every option

`common.js` is put in front of every module, `explorables.css` styles all of them.
"""
