"""Services in which annotation is a job: SageMaker Ground Truth, Labelbox, Vertex AI, V7 Darwin, SuperAnnotate, …"""
