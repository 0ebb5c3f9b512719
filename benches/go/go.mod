module gorge.invalid/channels

go 1.22
