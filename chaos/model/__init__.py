"""The state machine of jobs, walked at random: every claim, lease, fence, lost message and crash between two steps."""
