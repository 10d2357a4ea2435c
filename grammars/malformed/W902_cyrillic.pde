# expect W902 at 4:5
# stage: parse
parameters:
    а = 2
