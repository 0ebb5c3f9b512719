module gorge.invalid/bench

go 1.22
