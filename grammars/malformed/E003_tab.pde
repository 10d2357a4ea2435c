# expect E003 at 4:1
# stage: parse
domain:
	x ∈ [0, 1]
	y ∈ [0, 1]
