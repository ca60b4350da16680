"""Teachers that write texts of their own and label them: EvoKD and what it is compared with."""
